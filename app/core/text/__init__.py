"""Text from elsewhere, made safe to show; numbers as people read them."""
