"""`python -m isolde` is the command `isolde`."""

from isolde.cli import main

if __name__ == "__main__":
    main()
