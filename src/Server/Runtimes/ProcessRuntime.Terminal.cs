namespace McpCan.Server.Runtimes;

/// <summary>Terminals: a second sandbox over the workload's folders, in the workload's control group.</summary>
public sealed partial class ProcessRuntime
{
    /// <inheritdoc/>
    /// <remarks>
    /// It sees the files of the workload, with the same user, limits and isolation, but not its processes, its variables and its bridge.
    /// It ends with the run.
    /// </remarks>
    public async Task<ITerminal> ExecAsync(string instanceId, TerminalRequest request, CancellationToken cancellationToken)
    {
        using var held = await HoldAsync(instanceId, cancellationToken); // no stop may overtake the start
        var folder = Folder(instanceId);
        if (Current(folder) is not { Ready: true } state) throw new InvalidOperationException("The server is not running. Start it first.");
        if (state.Layout is not { } layout) throw new InvalidOperationException("The server was started by an earlier version of MCPCAN. Restart it first.");
        var (tools, _) = await _tools.InterpretersAsync();
        var directory = state.Directory ?? layout.Home;
        var environment = layout.Environment(tools, directory);
        environment.Remove("NO_COLOR");
        environment["TERM"] = "xterm-256color";
        var id = Guid.NewGuid().ToString("N");
        var mark = $"{Marks(instanceId)}{state.Generation}/{id}";
        environment[ProcessTable.Mark] = mark;
        var ends = PseudoTerminal.Open(request.Columns, request.Rows);
        try
        {
            var process = await _host.StartAsync(state.Isolation, new SandboxRequest
            {
                Command = request.Command,
                Environment = environment,
                Directory = directory,
                Mounts = [.. layout.Mounts.Where(m => m.Inside != layout.Run && m.Inside != layout.Logs && m.Inside != layout.Bridge)],
                Limits = state.Limits ?? new(),
                Groups = state.Groups,
                Terminal = ends.Path,
            }, Path.Combine(folder.Root, $"order-{id}.json"));
            return new ProcessTerminal(ends, process, mark);
        }
        catch
        {
            ends.Dispose();
            throw;
        }
    }
}
