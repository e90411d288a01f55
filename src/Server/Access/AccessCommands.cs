using System.CommandLine;
using McpCan.Server.Hosting;

namespace McpCan.Server.Access;

/// <summary><c>admin create</c> and <c>api-key create</c>: the first steps of a script, on the data folder itself.</summary>
internal static class AccessCommands
{
    private const string Actor = "command line";

    public delegate Task<AsyncServiceScope> OpenData(ParseResult result, CancellationToken cancellationToken);

    public static IEnumerable<Command> All(OpenData open) =>
        [new Command("admin", "Administrators.") { CreateAdmin(open) }, new Command("api-key", "Keys for scripts that call the management API.") { CreateApiKey(open) }];

    private static Command CreateAdmin(OpenData open)
    {
        var user = new Option<string>("--user") { Description = "User name", HelpName = "NAME", Required = true };
        var password = new Option<bool>("--password-stdin") { Description = "Read the password from standard input (one line)", Required = true };
        var command = new Command("create", "Create an administrator.") { user, password };
        command.SetAction(async (result, cancellationToken) =>
        {
            var secret = await Console.In.ReadLineAsync(cancellationToken) ?? "";
            await using var data = await open(result, cancellationToken);
            var made = await data.ServiceProvider.GetRequiredService<UserAccounts>().CreateAsync(new UserInput(result.GetRequiredValue(user), secret, Roles.Admin), cancellationToken);
            await Console.Error.WriteLineAsync($"Administrator '{made.UserName}' was created.");
        });
        return command;
    }

    private static Command CreateApiKey(OpenData open)
    {
        var name = new Option<string>("--name") { Description = "Name for people", HelpName = "NAME", Required = true };
        var role = new Option<string>("--role") { Description = string.Join(", ", Roles.All), HelpName = "ROLE", Required = true };
        var days = new Option<int?>("--expires-days") { Description = "Days after which it ends; without: never", HelpName = "DAYS" };
        var command = new Command("create", "Create an API key and print it, and nothing else.") { name, role, days };
        command.SetAction(async (result, cancellationToken) =>
        {
            await using var data = await open(result, cancellationToken);
            var time = data.ServiceProvider.GetRequiredService<TimeProvider>();
            if (result.GetValue(days) is < 1 or > 36500) throw new StartException("--expires-days must be between 1 and 36500.");
            var end = result.GetValue(days) is { } n ? time.GetUtcNow().AddDays(n) : (DateTimeOffset?)null;
            var input = new ApiKeyInput(result.GetRequiredValue(name), result.GetRequiredValue(role), end);
            var (_, value) = await data.ServiceProvider.GetRequiredService<ApiKeyManager>().CreateAsync(input, Actor, cancellationToken);
            await Console.Out.WriteLineAsync(value);
        });
        return command;
    }
}
