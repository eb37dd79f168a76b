"""The window itself: sidebar, menus, commands, dialogs at its end."""
