"""The subcommands of ``biosig``: each adds its parser and is one call into the library."""
