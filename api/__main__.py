"""`python -m api`: the command `pointmaster`, for whoever has the packages and not the script."""

from api.command_line import main

if __name__ == "__main__":
    main(prog_name="pointmaster")
