"""`python -m gallery.cli`: the `gallery` command where it is not installed as a script."""

from gallery.cli.main import main

if __name__ == "__main__":
    main()
