from mcpcan.turn import turn

command = turn("stop", "Stop a server; what its next start needs stays", "is stopped")
