using McpCan.Server.Runtimes;

namespace McpCan.UnitTests.Runtimes;

public sealed class ExitReasonsTests
{
    [Theory]
    [InlineData("Error: Cannot find module 'express'", "module 'express' is missing")]
    [InlineData("ModuleNotFoundError: No module named 'mcp'", "Python module 'mcp' is missing")]
    [InlineData("sh: 1: tsc: not found", "not found: tsc")]
    [InlineData("bwrap: execvp foo: No such file or directory", "not found: foo")]
    [InlineData("npm error code E404", "not in the registry")]
    [InlineData("npm error getaddrinfo EAI_AGAIN registry.example", "cannot be reached")]
    [InlineData("Error: BRAVE_API_KEY environment variable is required", "BRAVE_API_KEY")]
    [InlineData("KeyError: 'GITHUB_TOKEN'", "GITHUB_TOKEN")]
    [InlineData("SyntaxError: Unexpected token '}'", "fault that keeps it from starting")]
    [InlineData("Error: listen EADDRINUSE: address already in use :::3000", "port that is taken")]
    [InlineData("FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", "Raise the memory limit")]
    [InlineData("python3: can't open file '/app/srv.py': [Errno 2] No such file or directory", "/app/srv.py")]
    [InlineData("ERROR: No matching distribution found for nope==9", "No version of the package fits (nope==9)")]
    public void LikelyCause_IsNamed(string line, string cause)
    {
        var reason = ExitReasons.Explain("run", 1, null, false, ["before", line, "    at somewhere"]);

        Assert.StartsWith("The server exited with code 1.", reason, StringComparison.Ordinal);
        Assert.Contains(cause, reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Ends_AreToldApart()
    {
        Assert.Contains("SIGKILL", ExitReasons.Explain("run", 137, null, false, []), StringComparison.Ordinal);
        Assert.Contains("memory limit", ExitReasons.Explain("run", null, 9, true, []), StringComparison.Ordinal);
        Assert.Contains("keep running", ExitReasons.Explain("run", 0, null, false, []), StringComparison.Ordinal);
        Assert.Equal("The installation failed with exit code 3.", ExitReasons.Explain("install", 3, null, false, ["nothing known"]));
    }
}
