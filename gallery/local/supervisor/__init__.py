"""Starts, watches and stops a set of processes on this machine, whatever they are.

Nothing here imports anything of the project but `gallery.errors`. What differs from one stack to another, such as its
parts and the names in its messages, is handed in as a `StackSpec`.
"""
