using System.Text;

namespace McpCan.Bridge;

/// <summary>
/// Reads the standard error of all servers on one thread (poll), so that a server that floods it neither blocks
/// nor costs a thread of its own. Pipes, not sockets: a shell script may open /dev/stderr again.
/// </summary>
sealed unsafe class StderrPump
{
    readonly Lock gate = new();
    readonly List<Source> sources = [];
    readonly int wakeRead, wakeWrite;
    readonly byte[] buffer = new byte[64 * 1024];

    public StderrPump()
    {
        (wakeRead, wakeWrite) = Native.NewPipe();
        new Thread(Run) { IsBackground = true, Name = "stderr" }.Start();
    }

    /// <summary>Reads a pipe to its end and closes it; the task ends then.</summary>
    public Task Add(int file, Action<string> line)
    {
        var source = new Source(file, line);
        lock (gate) sources.Add(source);
        byte one = 1;
        Native.Write(wakeWrite, &one, 1);
        return source.Closed.Task;
    }

    void Run()
    {
        while (true)
        {
            Source[] now;
            lock (gate) now = [.. sources];
            var entries = new Native.PollEntry[now.Length + 1];
            entries[0] = new() { File = wakeRead, Events = 1 };
            for (var i = 0; i < now.Length; i++) entries[i + 1] = new() { File = now[i].File, Events = 1 };
            var changed = false;
            while (!changed)
            {
                fixed (Native.PollEntry* first = entries) Native.Poll(first, (nuint)entries.Length, -1);
                for (var i = 0; i < now.Length; i++)
                {
                    if (entries[i + 1].Revents == 0) continue;
                    if (ReadSome(now[i])) continue;
                    lock (gate) sources.Remove(now[i]);
                    changed = true;
                }
                if (entries[0].Revents == 0) continue;
                fixed (byte* target = buffer) Native.Read(wakeRead, target, 64);
                changed = true;
            }
        }
    }

    bool ReadSome(Source source)
    {
        nint read;
        fixed (byte* target = buffer) read = Native.Read(source.File, target, buffer.Length);
        if (read > 0)
        {
            source.Add(buffer.AsSpan(0, (int)read));
            return true;
        }
        source.End();
        Native.Close(source.File);
        source.Closed.TrySetResult();
        return false;
    }

    sealed class Source(int file, Action<string> line)
    {
        const int MaxLine = 64 * 1024;
        readonly StringBuilder text = new();
        readonly Decoder decoder = Encoding.UTF8.GetDecoder();
        char[] characters = [];

        public int File => file;
        public TaskCompletionSource Closed { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Add(ReadOnlySpan<byte> bytes)
        {
            if (characters.Length < bytes.Length + 4) characters = new char[bytes.Length + 4];
            ReadOnlySpan<char> rest = characters.AsSpan(0, decoder.GetChars(bytes, characters, flush: false));
            for (var end = rest.IndexOf('\n'); end >= 0; end = rest.IndexOf('\n'))
            {
                Append(rest[..end]);
                End();
                rest = rest[(end + 1)..];
            }
            Append(rest);
        }

        // A line beyond the limit is counted, not kept.
        void Append(ReadOnlySpan<char> part)
        {
            if (text.Length <= MaxLine) text.Append(part[..Math.Min(part.Length, MaxLine + 1 - text.Length)]);
        }

        public void End()
        {
            var complete = text.ToString().TrimEnd('\r');
            text.Clear();
            if (complete.Length > 0) line(complete);
        }
    }
}
