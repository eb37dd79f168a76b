"""Tokenizes chats: the chat template, the tokenizer, the loss mask."""
