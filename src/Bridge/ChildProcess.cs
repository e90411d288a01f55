using System.Net.Sockets;
using McpCan.Protocol.Links;
using McpCan.Protocol.Sessions;
using McpCan.Protocol.Stdio;
using Microsoft.Win32.SafeHandles;

namespace McpCan.Bridge;

/// <summary>One server process, its pipes, and its end with all that it started.</summary>
sealed class ChildProcess : IServerConnection, IDisposable
{
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    readonly ChildHost host;
    readonly string mark;
    readonly int pid;
    readonly Task<int> exited;
    readonly Task stderrClosed;
    readonly Socket input, output;
    readonly Queue<string> lastLines = new();
    int stopping;

    public ChildProcess(ChildHost host, string mark, bool isProbe = false)
    {
        this.host = host;
        this.mark = mark;
        IsProbe = isProbe;
        var (ourInput, theirInput) = Native.NewSocketPair();
        var (ourOutput, theirOutput) = Native.NewSocketPair();
        var (stderr, theirStderr) = Native.NewPipe();
        try
        {
            // The lock of the reaper makes sure that the exit of even the quickest process is not missed.
            (pid, exited) = host.Reaper.Start(() => Native.Spawn(host.Command(), host.Config.WorkingDirectory, host.Variables(mark), theirInput, theirOutput, theirStderr));
        }
        catch
        {
            foreach (var file in (int[])[ourInput, ourOutput, stderr]) _ = Native.Close(file);
            throw;
        }
        finally
        {
            foreach (var file in (int[])[theirInput, theirOutput, theirStderr]) _ = Native.Close(file);
        }
        stderrClosed = host.Stderr.Add(stderr, OnStderr);
        input = new Socket(new SafeSocketHandle(ourInput, ownsHandle: true));
        output = new Socket(new SafeSocketHandle(ourOutput, ownsHandle: true));
        link = new(new NetworkStream(input), new NetworkStream(output), host.Config.MaxMessageBytes) { Noise = line => host.Log.Noise(Marked(line)) };
        Ended = Task.Run(async () =>
        {
            var watch = WatchExit();
            await link.RunAsync(Explain, CancellationToken.None);
            await watch;
        });
    }

    readonly StdioLink link;

    public ServerLink Link => link;

    /// <summary>Whether the process only serves to find out the server's era; its end then is no failure of the server.</summary>
    public bool IsProbe { get; set; }

    string Marked(string line) => IsProbe ? "[probe] " + line : line;

    /// <summary>Ends when nothing of the process is left.</summary>
    public Task Ended { get; }

    /// <summary>Set once the process has ended.</summary>
    public ServerExit? Exit { get; private set; }

    /// <summary>Whether the process ended without being asked to.</summary>
    public bool Crashed => Exit is not null && stopping == 0;

    public bool IsRunning => !exited.IsCompleted && stopping == 0;

    /// <summary>Closes standard input, waits, then TERM, then KILL of the whole tree.</summary>
    public void Stop()
    {
        if (Interlocked.Exchange(ref stopping, 1) == 0) _ = Task.Run(StopAsync);
    }

    async Task StopAsync()
    {
        try
        {
            input.Shutdown(SocketShutdown.Both);
        }
        catch (SocketException)
        {
            // The process has closed its end already.
        }
        if (await ExitsWithin(Patience)) return;
        _ = Native.Kill(-pid, Native.SigTerm);
        if (await ExitsWithin(Patience)) return;
        ProcessTree.Kill([mark], [pid]);
    }

    async Task<bool> ExitsWithin(TimeSpan time) => await Task.WhenAny(exited, Task.Delay(time)) == exited;

    async Task WatchExit()
    {
        var status = await exited;
        // What the process left behind may hold its pipes open; without it the end of the output is seen.
        await host.SweepAsync(mark, pid);
        await Task.WhenAny(stderrClosed, Task.Delay(TimeSpan.FromSeconds(1)));
        string[] lines;
        lock (lastLines) lines = [.. lastLines];
        var signal = status & 0x7F;
        Exit = new(signal == 0 ? (status >> 8) & 0xFF : null, signal == 0 ? null : SignalName(signal), host.Time.GetUtcNow(), lines);
        host.OnExit(this);
        exitKnown.TrySetResult();
    }

    readonly TaskCompletionSource exitKnown = new(TaskCreationOptions.RunContinuationsAsynchronously);

    async Task<string> Explain(Exception? failure)
    {
        if (failure is LineTooLongException)
        {
            host.Log.Bridge("error", failure.Message);
            Stop();
            return failure.Message;
        }
        var wasStopping = stopping != 0;
        if (await Task.WhenAny(exitKnown.Task, Task.Delay(Patience)) != exitKnown.Task)
        {
            Stop(); // it closed its output but lives on
            await exitKnown.Task;
            return wasStopping ? "the server was stopped" : "the server closed its standard output";
        }
        return wasStopping ? "the server was stopped" : Exit!.Explain();
    }

    void OnStderr(string line)
    {
        host.Log.Write("stderr", "info", Marked(line));
        lock (lastLines)
        {
            if (lastLines.Count == 20) lastLines.Dequeue();
            lastLines.Enqueue(line.Length > 500 ? line[..500] : line);
        }
    }

    public void Dispose()
    {
        input.Dispose();
        output.Dispose();
    }

    static string SignalName(int signal) => signal switch
    {
        6 => "SIGABRT",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        _ => $"{signal}",
    };
}
