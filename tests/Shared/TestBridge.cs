namespace McpCan.Tests;

/// <summary>The bridge that tests use: the one named by <c>MCPCAN_BRIDGEPATH</c>, else the one built with the tests.</summary>
public static class TestBridge
{
    /// <summary>Its path, or null when there is none.</summary>
    public static string? Path { get; } = Environment.GetEnvironmentVariable("MCPCAN_BRIDGEPATH") is { Length: > 0 } given ? given : Built();

    private static string? Built()
    {
        var output = new DirectoryInfo(AppContext.BaseDirectory); // tests/X/bin/Debug/net10.0
        for (var folder = output.Parent; folder is not null; folder = folder.Parent)
        {
            var built = System.IO.Path.Combine(folder.FullName, "src", "Bridge", "bin", output.Parent!.Name, output.Name, "mcpcan-bridge");
            if (File.Exists(built)) return built;
        }
        return null;
    }
}
