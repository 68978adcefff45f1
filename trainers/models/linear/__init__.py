"""The linear model that cells 51 and 52 start from, and are measured against."""
