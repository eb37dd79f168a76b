"""`nestling --self-test`: checks that this copy of the app works on this computer."""
