using Docker.DotNet;
using Docker.DotNet.Models;

namespace McpCan.Server.Runtimes.Docker;

/// <summary>Commands in containers that run.</summary>
internal sealed partial class Engine
{
    // The engine's own keys for leaving a terminal are keys that shells use (Ctrl-P).
    private const string NoDetach = "ctrl-@,ctrl-@,ctrl-@";

    /// <summary>Starts a command with a pseudo-terminal; the result is its id and its bytes, both ways.</summary>
    public Task<(string Id, MultiplexedStream Stream)> ExecAsync(string container, TerminalRequest request, string[] variables, CancellationToken cancellationToken) => CallAsync(async () =>
    {
        var made = await _quick.Exec.CreateContainerExecAsync(container, new ContainerExecCreateParameters
        {
            Cmd = [.. request.Command],
            Env = variables,
            TTY = true,
            AttachStdin = true,
            AttachStdout = true,
            AttachStderr = true,
            DetachKeys = NoDetach,
        }, cancellationToken);
        var stream = await _patient.Exec.StartContainerExecAsync(made.ID, new ContainerExecStartParameters { TTY = true }, cancellationToken);
        try
        {
            await ResizeAsync(made.ID, request.Columns, request.Rows, cancellationToken);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
        return (made.ID, stream);
    }, cancellationToken);

    public Task ResizeAsync(string exec, int columns, int rows, CancellationToken cancellationToken) => CallAsync(async () =>
    {
        try
        {
            await _quick.Exec.ResizeExecTtyAsync(exec, new ContainerResizeParameters { Width = columns, Height = rows }, cancellationToken);
        }
        catch (DockerApiException)
        {
            // It has ended already, and who reads from it sees that.
        }
        return true;
    }, cancellationToken);

    /// <summary>The exit code of a command that has ended; null while it runs, and when its container is gone.</summary>
    public Task<int?> ExitOfAsync(string exec, CancellationToken cancellationToken) => CallAsync(async () =>
    {
        try
        {
            var found = await _quick.Exec.InspectContainerExecAsync(exec, cancellationToken);
            // The stream may end a moment before the engine knows the code.
            for (var look = 0; found.Running && look < 10; look++)
            {
                await Task.Delay(20, cancellationToken);
                found = await _quick.Exec.InspectContainerExecAsync(exec, cancellationToken);
            }
            return found.Running ? null : (int?)found.ExitCode;
        }
        catch (DockerApiException e) when (IsGone(e))
        {
            return null;
        }
    }, cancellationToken);

    /// <summary>Runs a command to its end, without terminal.</summary>
    public Task RunAsync(string container, string[] command, CancellationToken cancellationToken) => CallAsync(async () =>
    {
        try
        {
            var made = await _quick.Exec.CreateContainerExecAsync(container, new ContainerExecCreateParameters { Cmd = command, AttachStdout = true, AttachStderr = true }, cancellationToken);
            using var stream = await _patient.Exec.StartContainerExecAsync(made.ID, new ContainerExecStartParameters(), cancellationToken);
            await stream.ReadOutputToEndAsync(cancellationToken);
        }
        catch (DockerApiException)
        {
            // The container is gone or holds no such program.
        }
        return true;
    }, cancellationToken);
}
