"""The commands: flags in, one call, result out. Each module is one of them; it defines its flags as it is loaded."""
