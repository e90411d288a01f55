namespace McpCan.FunctionalTests;

/// <summary>MCP servers of a few lines, run as <c>python3 -c</c>.</summary>
internal static class TinyServers
{
    /// <summary>Answers; the tool <c>exit</c> ends the process, <c>env</c> shows a variable, <c>echo</c> gives back its text.</summary>
    public const string Echo = """
        import json, os, sys
        print("echo server up", file=sys.stderr, flush=True)
        tools = [{"name": n, "inputSchema": {"type": "object"}} for n in ("echo", "env", "exit")]
        def call(name, a):
            if name == "exit": os._exit(7)
            return a.get("text", "") if name == "echo" else os.environ.get(a["name"], "")
        for line in sys.stdin:
            m = json.loads(line)
            if "id" not in m: continue
            r = {}
            if m["method"] == "initialize": r = {"protocolVersion": m["params"]["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "tiny", "version": "1.2"}}
            if m["method"] == "tools/list": r = {"tools": tools}
            if m["method"] == "tools/call": r = {"content": [{"type": "text", "text": call(m["params"]["name"], m["params"].get("arguments", {}))}]}
            print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": r}), flush=True)
        """;

    /// <summary>Listens by itself on a port of its loopback address (Streamable HTTP, no sessions); the path is <c>/serve/mcp</c>.</summary>
    public const string Http = """
        import http.server, json, os, sys
        class Server(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def log_message(self, *a): print("log:", *a, flush=True)
            def answer(self, status, body=b""):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            def do_GET(self): self.answer(405)
            def do_POST(self):
                m = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if self.path != "/serve/mcp": return self.answer(404)
                if "id" not in m: return self.answer(202)
                r = {"jsonrpc": "2.0", "id": m["id"]}
                if m["method"] == "initialize": r["result"] = {"protocolVersion": m["params"]["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": {"name": "listens", "version": "3"}}
                elif m["method"] == "tools/list": r["result"] = {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}
                elif m["method"] == "tools/call":
                    if m["params"]["arguments"]["text"] == "exit": os._exit(7)
                    r["result"] = {"content": [{"type": "text", "text": m["params"]["arguments"]["text"]}]}
                else: r["error"] = {"code": -32601, "message": "Method not found"}
                self.answer(200, json.dumps(r).encode())
        print("listening", flush=True)
        http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Server).serve_forever()
        """;

    /// <summary>Prints what is no JSON, then serves.</summary>
    public const string Banner = "print('Welcome!\\n=======', flush=True)\n" + Echo;

    /// <summary>Needs a while before it reads anything.</summary>
    public const string Slow = "import time; time.sleep(5)\n" + Echo;

    /// <summary>Starts helpers that never end by themselves.</summary>
    public const string Forks = "import subprocess\nfor _ in range(3): subprocess.Popen(['sleep', '1000'])\n" + Echo;

    /// <summary>Writes 20 MB to stderr first.</summary>
    public const string Floods = "import sys\nfor _ in range(20000): sys.stderr.write('x' * 1000 + '\\n')\n" + Echo;

    /// <summary>Ends at once.</summary>
    public const string Exits = "import sys; print('DATABASE is not set', file=sys.stderr); sys.exit(3)";

    /// <summary>Reads and never answers.</summary>
    public const string Silent = "import sys\nprint('thinking', file=sys.stderr, flush=True)\nfor line in sys.stdin: pass";
}
