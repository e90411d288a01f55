from mcpcan.cli import run

run()
