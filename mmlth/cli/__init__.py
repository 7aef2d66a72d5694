"""The command ``mmlth``: each module is one of its subcommands, and loads torch only to run."""
