"""Building the app bundle from a checkout; no part of the installed app, which never imports it."""
