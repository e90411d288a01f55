using McpCan.Protocol.Messages;
using McpCan.Protocol.Sessions;

namespace McpCan.Protocol.Links;

/// <summary>A request of our own whose answer is waited for.</summary>
public sealed class AwaitedCall : PendingCall
{
    readonly TaskCompletionSource<byte[]> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The whole answer, result or error; <see cref="ServerUnavailableException"/> when none will come.</summary>
    public Task<byte[]> Answer => answer.Task;

    /// <inheritdoc/>
    public override ValueTask OnAnswer(ReadOnlySpan<byte> message, in Envelope envelope)
    {
        answer.TrySetResult(message.ToArray());
        return default;
    }

    /// <inheritdoc/>
    public override ValueTask OnProgress(ReadOnlySpan<byte> message, in Envelope envelope) => default;

    /// <inheritdoc/>
    public override void OnLost(string reason)
    {
        answer.TrySetException(new ServerUnavailableException(reason));
        _ = answer.Task.Exception; // perhaps nobody waits any more
    }

    /// <summary>Sends a request and waits for its answer; an answer that does not come in time is not waited for any longer.</summary>
    public static async Task<byte[]> AskAsync(ServerLink link, byte[] request, CancellationToken cancellationToken)
    {
        var call = new AwaitedCall();
        await link.SendRequestAsync(call, request, EnvelopeReader.Read(request));
        try
        {
            return await call.Answer.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            link.Forget(call);
            throw;
        }
    }

    /// <summary>The same with a limit, after which the server counts as unavailable.</summary>
    public static async Task<byte[]> AskAsync(ServerLink link, byte[] request, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timer.CancelAfter(limit);
        try
        {
            return await AskAsync(link, request, timer.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ServerUnavailableException($"the server did not answer within {limit.TotalSeconds:0} seconds");
        }
    }
}
