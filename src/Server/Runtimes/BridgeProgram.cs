namespace McpCan.Server.Runtimes;

/// <summary>Where <c>mcpcan-bridge</c> lies and how it is started.</summary>
/// <param name="Folder">Folder that must be readable.</param>
/// <param name="File">File name in it.</param>
/// <param name="DotNet">Folder of the .NET runtime when the program needs one.</param>
internal sealed record BridgeProgram(string Folder, string File, string? DotNet)
{
    /// <summary>The configured program, else the built one above or beside the server.</summary>
    public static BridgeProgram? Find(string? configured)
    {
        if (configured is not null) return System.IO.File.Exists(configured) ? Of(HostTools.Real(configured)!) : null;
        for (var folder = AppContext.BaseDirectory.TrimEnd('/'); folder is { Length: > 1 }; folder = Path.GetDirectoryName(folder))
        {
            var built = Path.Combine(folder, "artifacts", "bridge", "mcpcan-bridge");
            if (System.IO.File.Exists(built)) return Of(built);
        }
        var beside = new[] { "mcpcan-bridge", "mcpcan-bridge.dll" }.Select(f => Path.Combine(AppContext.BaseDirectory, f)).FirstOrDefault(System.IO.File.Exists);
        return beside is null ? null : Of(beside);
    }

    /// <summary>The one for servers that listen by themselves, where there are two.</summary>
    public BridgeProgram ForHttp => System.IO.File.Exists(Path.Combine(Folder, "mcpcan-bridge-http")) ? this with { File = "mcpcan-bridge-http" } : this;

    /// <summary>Command as seen where the folder is at <paramref name="inside"/>.</summary>
    public string[] Command(string inside, string config)
    {
        var program = Path.Combine(inside, File);
        return File.EndsWith(".dll", StringComparison.Ordinal) ? [Path.Combine(DotNet!, "dotnet"), program, "--config", config] : [program, "--config", config];
    }

    /// <summary>
    /// The same for an image that may hold no C library, or another one: by the loader and libraries that lie beside the program.
    /// Null when there are none.
    /// </summary>
    public string[]? PortableCommand(string inside, string config)
    {
        var libraries = Path.Combine(Folder, "lib");
        var loader = DotNet is null && System.IO.Directory.Exists(libraries) ? System.IO.Directory.EnumerateFiles(libraries, "ld-linux*").FirstOrDefault() : null;
        if (loader is null) return null;
        var there = Path.Combine(inside, "lib");
        return [Path.Combine(there, Path.GetFileName(loader)), "--library-path", there, .. Command(inside, config)];
    }

    private static BridgeProgram Of(string path)
    {
        var folder = Path.GetDirectoryName(path)!;
        var managed = path.EndsWith(".dll", StringComparison.Ordinal) || System.IO.File.Exists(Path.Combine(folder, "mcpcan-bridge.dll"));
        return new(folder, Path.GetFileName(path), managed ? DotNetRoot : null);
    }

    /// <summary>Folder of the .NET runtime that runs this program.</summary>
    public static string? DotNetRoot => System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory() is var runtime && runtime.Contains("/shared/", StringComparison.Ordinal)
        ? runtime[..runtime.IndexOf("/shared/", StringComparison.Ordinal)]
        : HostTools.Which("dotnet") is { } dotnet && HostTools.Real(dotnet) is { } real ? Path.GetDirectoryName(real) : null;
}
