"""The models of a configuration's sections: keys, types, defaults, ranges and docs."""
