"""`nestling --self-test`: whether this copy of the app works on this computer."""
