using System.Buffers;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;

namespace McpCan.Protocol.Modern;

/// <summary>A legacy request in the modern form: with the metadata that the session would have given once.</summary>
static class ModernRequest
{
    /// <summary>Adds the metadata (members of an object), and says where the parts stand then.</summary>
    public static byte[] From(ReadOnlySpan<byte> message, in Envelope envelope, ReadOnlySpan<byte> meta, out Envelope at)
    {
        ReadOnlySpan<byte> before, after;
        int place;
        if (envelope.Meta.IsPresent)
        {
            place = envelope.Meta.Start + 1;
            before = default;
            after = JsonEdit.IsEmptyObject(message, envelope.Meta.Start) ? default : ","u8;
        }
        else if (envelope.Params.IsPresent)
        {
            place = envelope.Params.Start + 1;
            before = @"""_meta"":{"u8;
            after = JsonEdit.IsEmptyObject(message, envelope.Params.Start) ? "}"u8 : "},"u8;
        }
        else
        {
            place = message.IndexOf((byte)'{') + 1;
            before = @"""params"":{""_meta"":{"u8;
            after = "}},"u8;
        }
        var added = before.Length + meta.Length + after.Length;
        byte[] result = [.. message[..place], .. before, .. meta, .. after, .. message[place..]];
        at = envelope;
        at.Id = Moved(envelope.Id);
        at.ProgressToken = Moved(envelope.ProgressToken);
        at.Params = envelope.Params.IsPresent ? new(Moved(envelope.Params).Start, envelope.Params.Length + added) : new(place + @"""params"":"u8.Length, added - @"""params"":,"u8.Length);
        return result;

        TextRange Moved(TextRange range) => range.IsPresent && range.Start >= place ? new(range.Start + added, range.Length) : range;
    }
}

/// <summary>A legacy session's request at a modern server; sent again when the server asks for inputs.</summary>
sealed class InnerCall(LegacyOverModernLink owner, PendingCall outer, byte[] message, Envelope envelope, int round = 0) : PendingCall
{
    ServerLink? link;

    public PendingCall Outer => outer;

    public override string? LogAudience => owner.LogAudience;

    public ValueTask SendAsync(ServerLink link)
    {
        this.link = link;
        return link.SendRequestAsync(this, message, envelope);
    }

    /// <summary>Tells the server that nobody waits any more.</summary>
    public void Cancel()
    {
        if (link is { } at && at.Forget(this)) _ = at.SendAsync(new Splice(RpcMessage.Cancelled(Id))).AsTask();
    }

    public override ValueTask OnAnswer(ReadOnlySpan<byte> message, in Envelope envelope)
    {
        if (envelope.Result.IsPresent && AsksForInputs(message, envelope.Result.Start)) return new InputRound(owner, this, round + 1).StartAsync(message[envelope.Result.Start..]);
        return owner.Take(outer) ? outer.OnAnswer(message, envelope) : default;
    }

    // Absent from the bytes is absent for certain; only what looks like it is looked at closely.
    static bool AsksForInputs(ReadOnlySpan<byte> message, int result)
        => message[result..].IndexOf("\"input_required\""u8) >= 0 && JsonEdit.Member(message, result, "resultType"u8).Of(message).SequenceEqual("\"input_required\""u8);

    public override ValueTask OnProgress(ReadOnlySpan<byte> message, in Envelope envelope) => outer.OnProgress(message, envelope);

    public override ValueTask OnNotification(ReadOnlySpan<byte> message, in Envelope envelope) => owner.Notify(message, envelope, outer);

    public override void OnLost(string reason)
    {
        if (owner.Take(outer)) outer.OnLost(reason);
    }

    /// <summary>The request with inputs, as a new call.</summary>
    public InnerCall Retry(ReadOnlySpan<byte> inputs, ReadOnlySpan<byte> state, int nextRound)
    {
        var members = new ArrayBufferWriter<byte>();
        if (!inputs.IsEmpty)
        {
            members.Write(@"""inputResponses"":"u8);
            members.Write(inputs);
        }
        if (!state.IsEmpty)
        {
            if (members.WrittenCount > 0) members.Write(","u8);
            members.Write(@"""requestState"":"u8);
            members.Write(state);
        }
        var again = new JsonEdit().Add(message, envelope.Params.Start, members.WrittenSpan).Apply(message);
        return new(owner, outer, again, EnvelopeReader.Read(again), nextRound) { First = First ?? this };
    }

    /// <summary>The call as it was first sent: a retry is always made of that one.</summary>
    public InnerCall? First { get; init; }
}

/// <summary>One round of inputs: the server's questions as requests to the client, and the answers together (2026-07-28, basic/patterns/mrtr).</summary>
sealed class InputRound(LegacyOverModernLink owner, InnerCall call, int round)
{
    const int MaxRounds = 32;
    readonly Lock gate = new();
    readonly Dictionary<string, (byte[] Request, byte[]? Answer)> inputs = [];
    byte[] state = [];
    bool isOver;

    public InnerCall Call => call;

    public async ValueTask StartAsync(byte[] result)
    {
        if (round > MaxRounds)
        {
            await owner.Fail(call.Outer, McpErrors.InternalError, "The server asked for inputs too often");
            return;
        }
        state = JsonEdit.Member(result, "requestState"u8).ToArray();
        var requests = JsonEdit.Member(result, "inputRequests"u8).ToArray();
        foreach (var (key, at) in JsonEdit.Members(requests))
        {
            if (requests[at.Start] == (byte)'{') inputs[key] = (requests.AsSpan(at.Start, at.Length).ToArray(), null);
        }
        if (inputs.Count == 0)
        {
            // Only a state: the client comes back with it when it likes to.
            await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(50 * round, 1000)));
            await GoOn();
            return;
        }
        foreach (var (key, (request, _)) in inputs.ToArray()) await owner.Ask(this, key, request);
    }

    public ValueTask StartAsync(ReadOnlySpan<byte> result)
    {
        var end = JsonEdit.ValueLength(result);
        return StartAsync(result[..end].ToArray());
    }

    public ValueTask OnAnswer(string key, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        byte[] answer;
        if (envelope.Result.Of(message) is [(byte)'{', ..] given)
        {
            answer = given.ToArray();
        }
        else if (JsonText.Read(JsonEdit.Member(inputs[key].Request, "method"u8)) == "elicitation/create")
        {
            answer = [.. @"{""action"":""cancel""}"u8]; // what a client without an answer of its own says
        }
        else
        {
            lock (gate)
            {
                if (isOver) return default;
                isOver = true;
            }
            var reason = JsonText.Read(JsonEdit.Member(JsonEdit.Member(message, "error"u8), "message"u8)) ?? "no result";
            return owner.Fail(call.Outer, McpErrors.InternalError, "The client did not give what the server needs: " + reason);
        }
        lock (gate)
        {
            inputs[key] = (inputs[key].Request, answer);
            if (isOver || inputs.Values.Any(input => input.Answer is null)) return default;
            isOver = true;
        }
        return GoOn();
    }

    ValueTask GoOn()
    {
        var buffer = new ArrayBufferWriter<byte>();
        foreach (var (key, (_, answer)) in inputs)
        {
            buffer.Write(buffer.WrittenCount == 0 ? "{"u8 : ","u8);
            buffer.Write(JsonText.Quote(key));
            buffer.Write(":"u8);
            buffer.Write(answer);
        }
        if (buffer.WrittenCount > 0) buffer.Write("}"u8);
        return owner.Send((call.First ?? call).Retry(buffer.WrittenSpan, state, round));
    }
}
