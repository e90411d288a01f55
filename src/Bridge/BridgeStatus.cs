namespace McpCan.Bridge;

/// <summary>The answer of <c>GET /-/status</c>.</summary>
sealed record BridgeStatus(string State, int Sessions, int Children, int Spares, int RunningCalls, ServerExit? LastExit, int Restarts, DateTimeOffset StartedAt, double UnusedSeconds);

/// <summary>How a server process ended without being asked to.</summary>
sealed record ServerExit(int? Code, string? Signal, DateTimeOffset Time, string[] LastLines)
{
    /// <summary>One sentence for a person.</summary>
    public string Explain()
    {
        var how = Signal is not null ? $"the server was ended by signal {Signal}" : $"the server exited with code {Code}";
        return LastLines.Length > 0 ? $"{how}: {LastLines[^1]}" : how;
    }
}
