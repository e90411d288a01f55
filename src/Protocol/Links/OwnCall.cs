using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;

namespace McpCan.Protocol.Links;

/// <summary>A request of our own.</summary>
sealed class OwnCall : PendingCall
{
    readonly TaskCompletionSource<byte[]> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<byte[]> Answer => answer.Task;

    /// <summary>Sends a request and waits for its answer. Throws <see cref="ServerUnavailableException"/>.</summary>
    public static async Task<byte[]> AskAsync(ServerLink link, byte[] message, TimeSpan limit, CancellationToken cancellationToken)
    {
        var call = new OwnCall();
        await link.SendRequestAsync(call, message, EnvelopeReader.Read(message));
        try
        {
            return await call.Answer.WaitAsync(limit, cancellationToken);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            link.Forget(call);
            if (e is OperationCanceledException) throw;
            throw new ServerUnavailableException($"the server did not answer within {limit.TotalSeconds:0} seconds");
        }
    }

    public override ValueTask OnAnswer(ReadOnlySpan<byte> message, in Envelope envelope)
    {
        answer.TrySetResult(message.ToArray());
        return default;
    }

    public override ValueTask OnProgress(ReadOnlySpan<byte> message, in Envelope envelope) => default;

    public override void OnLost(string reason)
    {
        answer.TrySetException(new ServerUnavailableException(reason));
        _ = answer.Task.Exception; // nobody waits for the answer to an unsubscribe
    }
}
