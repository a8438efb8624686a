"""``python -m yarnserve``: the command line, for where no script directory is on the PATH."""

from yarnserve.cli.main import main

if __name__ == "__main__":
    main()
