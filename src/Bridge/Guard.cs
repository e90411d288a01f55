namespace McpCan.Bridge;

/// <summary>
/// A second, tiny process that ends the servers when the bridge is killed. It waits for the end of a pipe that only
/// the bridge holds open. (PR_SET_PDEATHSIG would reach only direct children, and fires when a thread ends.)
/// </summary>
static class Guard
{
    /// <summary>Starts the guard of this bridge's servers. Not needed as first process of a pid namespace: the kernel does it.</summary>
    public static void Start(string mark)
    {
        if (Environment.ProcessId <= 2) return;
        var (read, write) = Native.NewPipe();
        var (ignored, output) = Native.NewPipe();
        Native.Spawn([.. Self(), "--guard", mark], "/", Environments(), read, output, output);
        Native.Close(read);
        Native.Close(output);
        Native.Close(ignored);
        Keep = write;
    }

    /// <summary>The end of the pipe; it is never closed, so that it closes with the process.</summary>
    static int Keep { get; set; }

    /// <summary>The guard's own life.</summary>
    public static unsafe int Run(string mark)
    {
        byte ignored;
        while (Native.Read(0, &ignored, 1) > 0) { }
        ProcessTree.Kill([mark], []);
        return 0;
    }

    static string[] Self()
    {
        var program = Environment.ProcessPath ?? "mcpcan-bridge";
        return Path.GetFileNameWithoutExtension(program) == "dotnet" ? [program, Path.Combine(AppContext.BaseDirectory, "mcpcan-bridge.dll")] : [program];
    }

    static IEnumerable<string> Environments()
    {
        foreach (var name in (string[])["PATH", "HOME", "DOTNET_ROOT"])
        {
            if (Environment.GetEnvironmentVariable(name) is { } value) yield return $"{name}={value}";
        }
        yield return "DOTNET_gcServer=0";
        yield return "DOTNET_GCHeapHardLimit=0x1000000";
        yield return "DOTNET_TieredCompilation=1";
    }
}
