"""Chats as tokens: the chat template, the tokenizer, the loss mask."""
