using System.Buffers;
using McpCan.Protocol.Links;
using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;

namespace McpCan.Protocol.Modern;

/// <summary>
/// A legacy session's list changes and resource subscriptions, as one <c>subscriptions/listen</c> at a modern server. A
/// change of what is wanted opens a new one and ends the old one after it, so that nothing is missed between.
/// </summary>
sealed class ModernSubscription(LegacyOverModernLink owner, ModernServer server)
{
    static readonly TimeSpan AcknowledgeLimit = TimeSpan.FromSeconds(10);
    const int MaxUris = 1000;

    readonly Lock gate = new();
    Task last = Task.CompletedTask; // changes go one after the other
    readonly HashSet<string> uris = [];
    ListenCall? current;
    bool isWanted, isStopped;

    /// <summary>What the server said that it can do.</summary>
    public byte[] Capabilities { get; set; } = [];

    /// <summary>The session is ready: from now on it is told of changes.</summary>
    public void Start()
    {
        lock (gate) isWanted = Changes(Capabilities).Length > 0;
        Renew();
    }

    /// <summary>Opens the subscription again where it has been lost, with the server for instance.</summary>
    public void Renew()
    {
        lock (gate)
        {
            if (!isWanted || current is not null || isStopped || !last.IsCompleted) return;
        }
        _ = InTurn(RenewAsync);
    }

    async Task<bool> InTurn(Func<Task<bool>> change)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task before;
        lock (gate)
        {
            before = last;
            last = done.Task;
        }
        await before;
        try
        {
            return await change();
        }
        finally
        {
            done.SetResult();
        }
    }

    async Task<bool> RenewAsync()
    {
        try
        {
            lock (gate)
            {
                if (current is not null || isStopped) return true;
            }
            await OpenAsync();
        }
        catch (ServerUnavailableException)
        {
            // The next request of the session tries again, or hears of it.
        }
        return true;
    }

    /// <summary>Adds or removes a resource; false when the server does not take it. Throws <see cref="ServerUnavailableException"/>.</summary>
    public Task<bool> ChangeAsync(string uri, bool on) => InTurn(async () =>
    {
        if (!JsonEdit.Member(JsonEdit.Member(Capabilities, "resources"u8), "subscribe"u8).SequenceEqual("true"u8)) return false;
        if (on && uris.Count >= MaxUris) return false;
        if (!(on ? uris.Add(uri) : uris.Remove(uri))) return true;
        bool wanted;
        lock (gate) wanted = isWanted = uris.Count > 0 || Changes(Capabilities).Length > 0;
        if (!wanted)
        {
            Replace(null);
            return true;
        }
        var taken = await OpenAsync();
        if (!on || taken.Contains(uri)) return true;
        uris.Remove(uri);
        return false;
    });

    async Task<List<string>> OpenAsync()
    {
        var link = await server.LinkAsync(CancellationToken.None);
        var call = new ListenCall(this, link);
        var request = Request();
        await link.SendRequestAsync(call, request, EnvelopeReader.Read(request));
        try
        {
            var acknowledged = await call.Acknowledged.WaitAsync(AcknowledgeLimit);
            Replace(call);
            return JsonEdit.Strings(JsonEdit.Member(acknowledged, "resourceSubscriptions"u8));
        }
        catch (TimeoutException)
        {
            call.Cancel();
            return [];
        }
    }

    byte[] Request()
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        buffer.Write(@"{""jsonrpc"":""2.0"",""id"":0,""method"":""subscriptions/listen"",""params"":{""_meta"":{"u8);
        buffer.Write(owner.Meta);
        buffer.Write(@"},""notifications"":{"u8);
        buffer.Write(Changes(Capabilities));
        if (uris.Count > 0)
        {
            if (Changes(Capabilities).Length > 0) buffer.Write(","u8);
            buffer.Write(@"""resourceSubscriptions"":["u8);
            var first = true;
            foreach (var uri in uris)
            {
                if (!first) buffer.Write(","u8);
                first = false;
                buffer.Write(JsonText.Quote(uri));
            }
            buffer.Write("]"u8);
        }
        buffer.Write("}}}"u8);
        return buffer.WrittenSpan.ToArray();
    }

    static byte[] Changes(byte[] capabilities)
    {
        var kinds = ((string[])["tools", "prompts", "resources"]).Where(kind =>
            JsonEdit.Member(JsonEdit.Member(capabilities, System.Text.Encoding.ASCII.GetBytes(kind)), "listChanged"u8).SequenceEqual("true"u8));
        return System.Text.Encoding.ASCII.GetBytes(string.Join(',', kinds.Select(kind => $"\"{kind}ListChanged\":true")));
    }

    void Replace(ListenCall? next)
    {
        ListenCall? former, late = null;
        lock (gate)
        {
            former = current;
            if (isStopped) (current, late) = (null, next);
            else current = next;
        }
        former?.Cancel();
        late?.Cancel();
    }

    public void Stop()
    {
        lock (gate) isStopped = true;
        Replace(null);
    }

    void OnGone(ListenCall call)
    {
        lock (gate)
        {
            if (current == call) current = null;
        }
    }

    ValueTask OnNotification(ListenCall call, ReadOnlySpan<byte> message, in Envelope envelope)
    {
        lock (gate)
        {
            if (current is not null && current != call) return default; // the former one still tells it
        }
        return owner.Notify(message, envelope, related: null);
    }

    sealed class ListenCall(ModernSubscription subscription, ServerLink link) : PendingCall
    {
        readonly TaskCompletionSource<byte[]> acknowledged = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>What the server agreed to send.</summary>
        public Task<byte[]> Acknowledged => acknowledged.Task;

        public override ValueTask OnNotification(ReadOnlySpan<byte> message, in Envelope envelope)
        {
            if (envelope.Method is KnownMethod.ListChanged or KnownMethod.ResourceUpdated) return subscription.OnNotification(this, message, envelope);
            if (envelope.MethodName.Of(message).SequenceEqual("\"notifications/subscriptions/acknowledged\""u8)) acknowledged.TrySetResult(envelope.Filter.Of(message).ToArray());
            return default;
        }

        public override ValueTask OnAnswer(ReadOnlySpan<byte> message, in Envelope envelope)
        {
            OnLost("the server ended the subscription");
            return default;
        }

        public override ValueTask OnProgress(ReadOnlySpan<byte> message, in Envelope envelope) => default;

        public override void OnLost(string reason)
        {
            acknowledged.TrySetException(new ServerUnavailableException(reason));
            _ = acknowledged.Task.Exception;
            subscription.OnGone(this);
        }

        public void Cancel()
        {
            if (link.Forget(this)) _ = link.SendAsync(new Splice(RpcMessage.Cancelled(Id))).AsTask();
        }
    }
}
