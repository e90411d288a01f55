namespace McpCan.UnitTests;

/// <summary>Who may use what (docs/architecture), read from the compiled assemblies.</summary>
public sealed class ArchitectureTests
{
    /// <summary>A folder of the server may use only folders before it.</summary>
    private static readonly string[] Folders = ["Hosting", "Access", "Runtimes", "Environments", "Packages", "Instances", "Market", "Declared", "Terminals", "Logs", "Traffic", "Web"];

    /// <summary>What stands above the folders and may be used by all of them.</summary>
    private static readonly string[] Everybodys = ["McpCanDb", "SqliteDb", "PostgresDb"];

    [Theory]
    [InlineData("McpCan.Protocol", "System,Microsoft.AspNetCore,Microsoft.Extensions,Microsoft.Win32,Microsoft.Net")]
    [InlineData("mcpcan-bridge", "System,Microsoft.AspNetCore,Microsoft.Extensions,Microsoft.Win32,Microsoft.Net,McpCan.Protocol")]
    [InlineData("McpCan.Gateway", "System,Microsoft.AspNetCore,Microsoft.Extensions,Microsoft.Win32,Microsoft.Net,McpCan.Protocol")]
    public void Assembly_UsesOnlyWhatItMay(string assembly, string allowed)
    {
        var references = CompiledAssembly.Read(assembly).References;

        Assert.DoesNotContain(references, r => !Array.Exists(allowed.Split(','), a => r == a || r.StartsWith(a + ".", StringComparison.Ordinal)) && r is not ("netstandard" or "mscorlib"));
        Assert.DoesNotContain(references, r => r.StartsWith("Microsoft.AspNetCore.Components", StringComparison.Ordinal) || r.StartsWith("Microsoft.AspNetCore.Mvc", StringComparison.Ordinal)
            || r.StartsWith("Microsoft.AspNetCore.SignalR", StringComparison.Ordinal));
    }

    [Fact]
    public void Server_DoesNotKnowTheBridgesInternals() => Assert.DoesNotContain("mcpcan-bridge", CompiledAssembly.Read("mcpcan").References);

    [Fact]
    public void Folders_UseOnlyFoldersBeforeThem()
    {
        var wrong = CompiledAssembly.Read("mcpcan").Uses
            .Select(u => (u.From, u.To, FromFolder: Folder(u.From), ToFolder: Folder(u.To)))
            .Where(u => u.FromFolder is not (null or "" or "Migrations") && u.ToFolder is not null && u.FromFolder != u.ToFolder && !MayUse(u.FromFolder, u.ToFolder, u.To))
            .Select(u => $"{u.From} -> {u.To}").Distinct().Order(StringComparer.Ordinal).ToList();

        Assert.Empty(wrong);
    }

    [Fact]
    public void Folders_AreThoseOfTheArchitecture() =>
        Assert.Empty(CompiledAssembly.Read("mcpcan").Uses.Select(u => Folder(u.From)).OfType<string>().Distinct().Except([.. Folders, "", "Migrations"]));

    [Fact]
    public void Uses_AreFoundInBodiesToo()
    {
        // Guards the guard: these arrows are known to exist, one only inside a method body.
        var uses = CompiledAssembly.Read("mcpcan").Uses;

        Assert.Contains(("McpCan.Server.Access.TokenManager", "McpCan.Server.Access.SecretValue"), uses);
        Assert.Contains(("McpCan.Server.McpCanDb", "McpCan.Server.Access.Token"), uses);
    }

    private static bool MayUse(string from, string to, string type) =>
        to == "" ? Everybodys.Contains(type["McpCan.Server.".Length..]) : Array.IndexOf(Folders, to) < Array.IndexOf(Folders, from) && Array.IndexOf(Folders, to) >= 0;

    /// <summary>First part of the namespace below the server's, "" for the root, null for what is not ours.</summary>
    private static string? Folder(string type)
    {
        if (!type.StartsWith("McpCan.Server.", StringComparison.Ordinal)) return null;
        var rest = type["McpCan.Server.".Length..];
        return rest.Contains('.', StringComparison.Ordinal) ? rest[..rest.IndexOf('.', StringComparison.Ordinal)] : "";
    }
}
