using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using McpCan.Gateway;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Stdio;

namespace McpCan.Fuzzing;

/// <summary>What must hold for whatever bytes come. A target throws when it does not; the corpus is replayed by the unit tests.</summary>
public static class FuzzTargets
{
    /// <summary>All targets by the name of their corpus.</summary>
    public static IReadOnlyDictionary<string, Action<byte[]>> All { get; } = new Dictionary<string, Action<byte[]>>
    {
        ["envelope"] = Envelope,
        ["scanner"] = Scanner,
        ["events"] = Events,
        ["lines"] = Lines,
    };

    /// <summary>The envelope reader finds what a full parser finds, the quick reader finds the same, and replacing ids touches nothing else.</summary>
    private static void Envelope(byte[] message)
    {
        Envelope envelope;
        try
        {
            envelope = EnvelopeReader.Read(message);
        }
        catch (JsonException)
        {
            return;
        }
        var quick = EnvelopeReader.ReadFromServer(message);
        if (envelope.Kind == MessageKind.Response && JsonText(message) is { } parsed && parsed.EnumerateObject().Count(p => p.NameEquals("id")) == 1)
        {
            Require(quick.Kind == MessageKind.Response, "the quick reader sees no response");
            Require(quick.Id.Of(message).SequenceEqual(envelope.Id.Of(message)), "the quick reader sees another id");
        }
        if (envelope.Kind is not (MessageKind.Request or MessageKind.Response) || !envelope.Id.IsPresent) return;
        if (JsonText(message) is not { } before) return;
        Require(before.EnumerateObject().Last(p => p.NameEquals("id")).Value.GetRawText() == Encoding.UTF8.GetString(envelope.Id.Of(message)), "the id is another");

        var splice = new Splice(message, envelope.Id, "4711"u8, envelope.ProgressToken, "4712"u8);
        var changed = new byte[splice.Length];
        Require(splice.CopyTo(changed, oneLine: true) == changed.Length, "the length is wrong");
        Require(!changed.AsSpan().ContainsAny((byte)'\n', (byte)'\r'), "a line break is left");
        var again = EnvelopeReader.Read(changed);
        Require(again.Id.Of(changed).SequenceEqual("4711"u8), "the new id is not where the id was");
        if (envelope.ProgressToken.IsPresent) Require(again.ProgressToken.Of(changed).SequenceEqual("4712"u8), "the new token is not where the token was");
        var back = new Splice(changed, again.Id, envelope.Id.Of(message), again.ProgressToken, envelope.ProgressToken.IsPresent ? envelope.ProgressToken.Of(message) : default);
        var restored = new byte[back.Length];
        back.CopyTo(restored, oneLine: false);
        Require(OneLine(message).AsSpan().SequenceEqual(OneLine(restored)), "something else has changed");
    }

    /// <summary>What the gateway's scanner sees does not depend on how the bytes arrive.</summary>
    private static void Scanner(byte[] message)
    {
        var whole = new EnvelopeScanner();
        whole.Feed(message);
        foreach (var size in (int[])[1, 3])
        {
            var pieces = new EnvelopeScanner();
            foreach (var piece in message.Chunk(size)) pieces.Feed(piece);
            Require(Seen(whole) == Seen(pieces), $"in pieces of {size}: {Seen(pieces)}, in one: {Seen(whole)}");
        }
    }

    /// <summary>The same for event streams.</summary>
    private static void Events(byte[] stream)
    {
        var whole = new EventStreamScanner();
        whole.Feed(stream);
        foreach (var size in (int[])[1, 3])
        {
            var pieces = new EventStreamScanner();
            foreach (var piece in stream.Chunk(size)) pieces.Feed(piece);
            Require((whole.HasIds, whole.Answered, whole.ErrorCode, whole.IsToolError) == (pieces.HasIds, pieces.Answered, pieces.ErrorCode, pieces.IsToolError), "pieces are seen differently");
        }
    }

    /// <summary>Lines come out as they went in, however they are cut.</summary>
    private static void Lines(byte[] stream)
    {
        var expected = ReadLines(new MemoryStream(stream));
        var dripped = ReadLines(new Drip(stream));
        Require(expected.SequenceEqual(dripped), "lines differ when they drip in");
        Require(expected.All(line => line.Length > 0 && !line.Contains('\n')), "a blank line or a line break");
    }

    private static List<string> ReadLines(Stream stream)
    {
        var lines = new List<string>();
        using var reader = new LineReader(stream, 1 << 20);
        do
        {
            while (reader.TryRead(out var line)) lines.Add(Convert.ToHexString(line));
        }
        while (Fill(reader));
        if (!reader.Rest().IsEmpty) lines.Add(Convert.ToHexString(reader.Rest()));
        return lines;
    }

    // Streams in memory: it is complete when it returns.
    private static bool Fill(LineReader reader)
    {
        var filled = reader.FillAsync(CancellationToken.None).AsTask();
        Require(filled.IsCompletedSuccessfully, "a stream in memory had to be waited for");
        return filled.GetAwaiter().GetResult();
    }

    private static string Seen(EnvelopeScanner s) =>
        $"{s.Method}|{s.Target}|{(s.Id is null ? null : Convert.ToHexString(s.Id))}|{s.ErrorCode}|{s.IsResponse}|{s.IsToolError}|{s.ClientName}|{s.ClientVersion}";

    private static byte[] OneLine(byte[] message) => [.. message.Select(b => b is (byte)'\n' or (byte)'\r' ? (byte)' ' : b)];

    private static JsonElement? JsonText(byte[] message)
    {
        if (!Utf8.IsValid(message)) return null;
        try
        {
            using var document = JsonDocument.Parse(message, new() { MaxDepth = 10_000 });
            return document.RootElement.Clone();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static void Require(bool holds, string otherwise)
    {
        if (!holds) throw new InvalidOperationException(otherwise);
    }

    /// <summary>Gives one byte at a time.</summary>
    private sealed class Drip(byte[] bytes) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(Read(buffer.Span[..Math.Min(1, buffer.Length)]));
    }
}
