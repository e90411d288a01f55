namespace McpCan.Server.Runtimes.Docker;

/// <summary>Terminals: a command more in the workload's container.</summary>
public sealed partial class DockerRuntime
{
    /// <inheritdoc/>
    /// <remarks>It is inside: the container's files, user, limits and network, and the server's processes with all that they hold. It ends with the run.</remarks>
    public async Task<ITerminal> ExecAsync(string instanceId, TerminalRequest request, CancellationToken cancellationToken)
    {
        using var held = await HoldAsync(instanceId, cancellationToken); // no stop may overtake the start
        if (await CurrentAsync(Folder(instanceId), cancellationToken) is not { Ready: true } state) throw new InvalidOperationException("The server is not running. Start it first.");
        var mark = Guid.NewGuid().ToString("N");
        var (exec, stream) = await _engine.ExecAsync(state.Container, request, [$"{ContainerTerminal.Mark}={mark}", "TERM=xterm-256color"], cancellationToken);
        return new ContainerTerminal(_engine, state.Container, exec, mark, stream);
    }
}
