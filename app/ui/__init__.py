"""The window: shows the results of runs and datasets; computes nothing and never imports
the engine.
"""
