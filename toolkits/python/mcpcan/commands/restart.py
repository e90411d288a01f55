from mcpcan.turn import turn

command = turn("restart", "Restart a server", "runs")
