"""The cases: each measures one promise about speed and returns its rows."""
