"""A recorded run as one HTML file that needs nothing else: to read, to print, to pass on."""
