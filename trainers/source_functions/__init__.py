"""Files of C and C++ divided into their functions, whatever their macros hide."""
