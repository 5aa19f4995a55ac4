"""Vision encoders: uint8 frames in, features out. Each library is imported when an encoder of it is made."""
