"""The linear model that cells 51 and 52 are mixed with, and measured against."""
