using System.Buffers;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;

namespace McpCan.Protocol.Modern;

/// <summary>
/// A modern client's call at a leased legacy server, from its first request over any number of rounds of inputs to the
/// answer. While the client gathers inputs the call is parked with its server (2026-07-28, basic/patterns/mrtr).
/// </summary>
sealed class Conversation : PendingCall
{
    const int MaxInputs = 32;
    static readonly TimeSpan RefuseAfter = TimeSpan.FromSeconds(1);

    readonly record struct Input(string Key, byte[] ServerId, byte[] Request, byte[] Message);

    readonly Lock gate = new();
    readonly LegacyPool pool;
    readonly ModernContext context;
    readonly LegacyLease lease;
    readonly string principal;
    readonly KnownMethod method;
    readonly byte[] capabilities, target;
    readonly List<Input> inputs = [];
    readonly ITimer gathering;
    ModernExchange? exchange;
    byte[]? answer;     // came while the call was parked
    string? lost;
    int lastKey;
    bool isToBeSentAgain;
    bool isOver;        // nothing more comes from the server

    public Conversation(LegacyPool pool, ModernContext context, LegacyLease lease, ModernExchange exchange, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        (this.pool, this.context, this.lease, this.exchange, principal) = (pool, context, lease, exchange, exchange.Principal);
        method = envelope.Method;
        capabilities = envelope.ClientCapabilities.Of(message).ToArray();
        target = TargetOf(message, envelope);
        gathering = context.Time.CreateTimer(static me => ((Conversation)me!).OnGathered(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        exchange.Leaving = Abandon;
        lease.Current = this;
    }

    // Only these may be answered by a request for inputs (Supported Requests).
    bool TakesInputs => method is KnownMethod.CallTool or KnownMethod.GetPrompt or KnownMethod.ReadResource;

    static byte[] TargetOf(ReadOnlySpan<byte> message, in Envelope envelope)
        => [.. envelope.MethodName.Of(message), (byte)'\n', .. (envelope.Method == KnownMethod.ReadResource ? envelope.Uri : envelope.Name).Of(message)];

    /// <summary>Whether a retry is one of this call.</summary>
    public bool IsFor(string principal, ReadOnlySpan<byte> message, in Envelope envelope)
        => this.principal == principal && TargetOf(message, envelope).AsSpan().SequenceEqual(target);

    public ValueTask Start(ReadOnlySpan<byte> message, in Envelope envelope)
    {
        if (envelope.LogLevel.IsPresent) _ = lease.SetLevelAsync(JsonText.Read(envelope.LogLevel.Of(message))!).AsTask();
        foreach (var early in lease.TakeEarly()) _ = OnServerRequest(early, EnvelopeReader.Read(early)).AsTask();
        using var request = new LegacyRequest(message, envelope);
        return lease.Connection.Link.SendRequestAsync(this, request.Message, request.Envelope);
    }

    // ---- from the server

    public override ValueTask OnAnswer(ReadOnlySpan<byte> message, in Envelope envelope)
    {
        if (!envelope.Result.IsPresent && AskForAddresses(message)) return default;
        ModernExchange? to;
        lock (gate)
        {
            if (isOver) return default;
            isOver = true;
            to = exchange;
            if (to is null) answer = message.ToArray();
            // What the server asked beside the call and still waits for is asked with the next call.
            foreach (var input in inputs.Where(input => input.Message.Length > 0)) lease.Keep(input.Message);
            inputs.Clear();
        }
        gathering.Dispose();
        // Given back before the client has its answer: its next call finds the server free.
        var additions = lease.Additions;
        pool.Return(lease, usable: true);
        return to is null ? default : additions.Finish(to, method, message, envelope);
    }

    // -32042 (2025-11-25): the user must visit addresses first, then the same request is sent again.
    bool AskForAddresses(ReadOnlySpan<byte> message)
    {
        if (!TakesInputs || ModernExchange.ErrorCode(message) != McpErrors.UrlElicitationRequired) return false;
        if (JsonEdit.Member(JsonEdit.Member(capabilities, "elicitation"u8), "url"u8).IsEmpty) return false;
        var list = JsonEdit.Member(JsonEdit.Member(JsonEdit.Member(message, "error"u8), "data"u8), "elicitations"u8);
        if (list is not [(byte)'[', ..]) return false;
        lock (gate)
        {
            if (isOver || exchange is null) return false;
            foreach (var part in EnvelopeReader.Split(list))
            {
                if (list[part.Start] != (byte)'{' || inputs.Count >= MaxInputs) continue;
                inputs.Add(new($"elicitation-{++lastKey}", [], [.. @"{""method"":""elicitation/create"",""params"":"u8, .. part.Of(list), (byte)'}'], []));
            }
            if (inputs.Count == 0) return false;
            isToBeSentAgain = true;
        }
        Park();
        return true;
    }

    public override ValueTask OnProgress(ReadOnlySpan<byte> message, in Envelope envelope)
    {
        var to = Exchange;
        return to is null || to.ClientToken.IsEmpty ? default : to.Send(new Splice(message, envelope.ProgressToken, to.ClientToken));
    }

    public ValueTask OnLog(ReadOnlySpan<byte> message)
    {
        var to = Exchange;
        return to is not { WantsLogs: true } ? default : to.Send(new Splice(message));
    }

    ModernExchange? Exchange
    {
        get
        {
            lock (gate) return exchange;
        }
    }

    public override void OnLost(string reason)
    {
        ModernExchange? to;
        lock (gate)
        {
            if (isOver) return;
            isOver = true;
            to = exchange;
            lost = reason;
        }
        gathering.Dispose();
        to?.OnLost(reason);
        pool.Return(lease, usable: false);
    }

    public ValueTask OnServerRequest(ReadOnlySpan<byte> message, in Envelope envelope)
    {
        var id = envelope.Id.Of(message);
        var capability = envelope.MethodName.Of(message) switch
        {
            var m when m.SequenceEqual("\"elicitation/create\""u8) => "elicitation",
            var m when m.SequenceEqual("\"sampling/createMessage\""u8) => "sampling",
            var m when m.SequenceEqual("\"roots/list\""u8) => "roots",
            _ => null,
        };
        if (capability is null) return LegacyLease.Refuse(lease.Connection.Link, id);
        if (!Capabilities.Has(capabilities, System.Text.Encoding.ASCII.GetBytes(capability))) return Refuse(id, capability);
        lock (gate)
        {
            if (isOver || inputs.Count >= MaxInputs) return LegacyLease.Refuse(lease.Connection.Link, id);
            byte[] request = envelope.Params.IsPresent
                ? [.. @"{""method"":"u8, .. envelope.MethodName.Of(message), .. @",""params"":"u8, .. envelope.Params.Of(message), (byte)'}']
                : [.. @"{""method"":"u8, .. envelope.MethodName.Of(message), (byte)'}'];
            inputs.Add(new($"{capability}-{++lastKey}", id.ToArray(), request, message.ToArray()));
            if (exchange is not null) gathering.Change(TakesInputs ? context.Options.GatherInputs : RefuseAfter, Timeout.InfiniteTimeSpan);
        }
        return default;
    }

    ValueTask Refuse(ReadOnlySpan<byte> id, string capability)
    {
        _ = LegacyLease.Refuse(lease.Connection.Link, id).AsTask();
        var to = Exchange;
        var finished = to?.Finish(new Splice(RpcMessage.MissingCapability(to.ClientId, capability)), 400) ?? default;
        Abandon();
        return finished;
    }

    public ValueTask OnServerCancelled(ReadOnlySpan<byte> serverId)
    {
        lock (gate)
        {
            for (var i = inputs.Count - 1; i >= 0; i--)
            {
                if (serverId.SequenceEqual(inputs[i].ServerId)) inputs.RemoveAt(i);
            }
        }
        return default;
    }

    // ---- to the client

    void OnGathered()
    {
        if (TakesInputs)
        {
            Park();
            return;
        }
        Input[] refused;
        lock (gate)
        {
            refused = [.. inputs];
            inputs.Clear();
        }
        foreach (var input in refused) _ = LegacyLease.Refuse(lease.Connection.Link, input.ServerId).AsTask();
    }

    /// <summary>Asks the client for what the server waits for.</summary>
    void Park()
    {
        ModernExchange to;
        byte[] message;
        lock (gate)
        {
            if (isOver || exchange is null || inputs.Count == 0) return;
            to = exchange;
            exchange = null;
            message = InputRequired(to.ClientId, pool.Parked.Add(this));
        }
        _ = to.Finish(new Splice(message)).AsTask();
    }

    byte[] InputRequired(ReadOnlySpan<byte> clientId, string state)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        buffer.Write(@"{""jsonrpc"":""2.0"",""id"":"u8);
        buffer.Write(clientId);
        buffer.Write(@",""result"":{""resultType"":""input_required"",""inputRequests"":{"u8);
        for (var i = 0; i < inputs.Count; i++)
        {
            if (i > 0) buffer.Write(","u8);
            buffer.Write(JsonText.Quote(inputs[i].Key));
            buffer.Write(":"u8);
            buffer.Write(inputs[i].Request);
        }
        buffer.Write(@"},""requestState"":"u8);
        buffer.Write(JsonText.Quote(state));
        buffer.Write(@",""_meta"":{"u8);
        buffer.Write(lease.Additions.ServerInfo);
        buffer.Write("}}}"u8);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>The client is back: its inputs go to the server; what is missing is asked for again.</summary>
    public ValueTask Resume(ModernExchange next, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        List<byte[]> responses = [];
        bool isComplete, sendAgain;
        lock (gate)
        {
            if (lost is not null)
            {
                next.OnLost(lost);
                return default;
            }
            if (answer is not null) return lease.Additions.Finish(next, method, answer, EnvelopeReader.ReadFromServer(answer));
            exchange = next;
            next.Leaving = Abandon;
            var given = envelope.InputResponses.Of(message);
            foreach (var (key, at) in JsonEdit.Members(given))
            {
                var index = inputs.FindIndex(input => input.Key == key);
                if (index < 0 || given[at.Start] != (byte)'{') continue; // unknown ones are ignored (Error Handling)
                if (inputs[index].ServerId.Length > 0) responses.Add(RpcMessage.Result(inputs[index].ServerId, at.Of(given)));
                inputs.RemoveAt(index);
            }
            isComplete = inputs.Count == 0;
            sendAgain = isComplete && isToBeSentAgain;
            if (sendAgain) isToBeSentAgain = false;
        }
        foreach (var response in responses) _ = lease.Connection.Link.SendAsync(new Splice(response)).AsTask();
        if (!isComplete) Park();
        if (!sendAgain) return default;
        using var request = new LegacyRequest(message, envelope);
        return lease.Connection.Link.SendRequestAsync(this, request.Message, request.Envelope);
    }

    /// <summary>Ends a call that its client has left.</summary>
    public void Abandon()
    {
        lock (gate)
        {
            if (isOver) return;
            isOver = true;
            exchange = null;
        }
        gathering.Dispose();
        var link = lease.Connection.Link;
        if (link.Forget(this)) _ = link.SendAsync(new Splice(RpcMessage.Cancelled(Id))).AsTask();
        // The server may still be busy with the call, and what it says then would go to the next one.
        pool.Return(lease, usable: false);
    }
}
