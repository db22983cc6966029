"""The simulators' provider of nobody's money: everything a provider does, without one."""
