from intake_cvpilot.cli import main  # noqa: D100 -- two lines that hand over to the commands

main()
