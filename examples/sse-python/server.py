"""An MCP server that listens by itself over HTTP+SSE, for clients of the year 2024."""

import os

from mcp.server.fastmcp import FastMCP

server = FastMCP("greeter", host="0.0.0.0", port=int(os.environ.get("PORT", "8000")))


@server.tool()
def greet(name: str) -> str:
    """Says hello."""
    return f"Hello, {name}!"


server.run(transport="sse")
