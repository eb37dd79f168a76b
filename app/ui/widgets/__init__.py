"""Reusable widgets and layouts that don't depend on any page."""
