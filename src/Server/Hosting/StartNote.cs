namespace McpCan.Server.Hosting;

/// <summary>Lines that a feature adds to the start banner. Register any number as singletons.</summary>
/// <param name="Title">What the lines are about, one word.</param>
/// <param name="Lines">Gives the lines; none means: nothing to say.</param>
public sealed record StartNote(string Title, Func<IServiceProvider, CancellationToken, Task<IReadOnlyList<string>>> Lines);
