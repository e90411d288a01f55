from mcpcan.turn import turn

command = turn("start", "Start a server", "runs")
