using System.Security.Claims;
using McpCan.Server.Hosting;
using Microsoft.AspNetCore.Http.HttpResults;

namespace McpCan.Server.Access;

/// <summary>An account as the API shows it.</summary>
public sealed record UserView(string Id, string UserName, string Role, bool Disabled, bool LockedOut, DateTimeOffset CreatedAt, DateTimeOffset? LastLoginAt)
{
    internal static UserView Of(User u, TimeProvider time) => new(u.Id, u.UserName!, u.Role, u.Disabled, u.LockoutEnd > time.GetUtcNow(), u.CreatedAt, u.LastLoginAt);
}

/// <summary>A built-in role.</summary>
public sealed record RoleView(string Id, string Description, IReadOnlyList<string> Rights);

/// <summary>Who is asking.</summary>
/// <param name="Type"><c>user</c> or <c>apiKey</c>.</param>
public sealed record MeView(string Type, string Id, string Name, string Role, IReadOnlyList<string> Rights);

/// <summary>A change of one's own password.</summary>
public sealed record PasswordChange(string Current, string Next);

internal static class UserEndpoints
{
    private static readonly Page<RoleView> AllRoles = new(
    [
        new(Roles.Admin, "Everything, users, API keys and platform settings included.", Principal.Rights(Roles.Admin)),
        new(Roles.Operator, "Instances, packages and tokens.", Principal.Rights(Roles.Operator)),
        new(Roles.Viewer, "Sees everything that is no secret, changes nothing.", Principal.Rights(Roles.Viewer)),
    ], null, 3);

    public static void MapUsers(this RouteGroupBuilder api)
    {
        api.MapGet("/me", Me).WithTags("Users").RequireAuthorization(Policies.Read).WithName("getMe").WithSummary("Who is asking, with which rights");
        api.MapPost("/me/password", ChangePassword).WithTags("Users").RequireAuthorization(Policies.Read).WithName("changePassword").WithSummary("Change one's own password");
        api.MapGet("/roles", () => TypedResults.Ok(AllRoles)).WithTags("Users").RequireAuthorization(Policies.Read).WithName("listRoles").WithSummary("List the built-in roles");
        var users = api.MapGroup("/users").WithTags("Users").RequireAuthorization(Policies.Administer);
        users.MapGet("", List).WithName("listUsers").WithSummary("List users");
        users.MapPost("", Create).WithName("createUser").WithSummary("Create a user");
        users.MapGet("/{id}", Get).WithName("getUser").WithSummary("Get a user by id or name");
        users.MapPatch("/{id}", Update).WithName("updateUser").WithSummary("Change a user's role or password, disable or enable; ends the user's sessions");
        users.MapDelete("/{id}", Delete).WithName("deleteUser").WithSummary("Delete a user");
    }

    private static Ok<MeView> Me(ClaimsPrincipal user) => TypedResults.Ok(new MeView(
        user.Identity!.AuthenticationType == ApiKeyHandler.Name ? "apiKey" : "user", user.Id()!, user.Actor(), user.Role()!, Principal.Rights(user.Role())));

    private static async Task<NoContent> ChangePassword(PasswordChange change, UserAccounts accounts, ClaimsPrincipal user)
    {
        if (user.Identity!.AuthenticationType == ApiKeyHandler.Name) throw new ProblemException(403, "forbidden", "An API key has no password.");
        await accounts.ChangePasswordAsync(user.Id()!, change.Current, change.Next);
        return TypedResults.NoContent();
    }

    private static async Task<Ok<Page<UserView>>> List([AsParameters] PageQuery page, UserAccounts accounts, TimeProvider time, CancellationToken cancellationToken) =>
        TypedResults.Ok(await accounts.ListAsync(page, u => UserView.Of(u, time), cancellationToken));

    private static async Task<Created<UserView>> Create(UserInput input, UserAccounts accounts, TimeProvider time, CancellationToken cancellationToken)
    {
        var user = await accounts.CreateAsync(input, cancellationToken);
        return TypedResults.Created($"/api/v1/users/{user.Id}", UserView.Of(user, time));
    }

    private static async Task<Ok<UserView>> Get(string id, UserAccounts accounts, TimeProvider time) =>
        TypedResults.Ok(UserView.Of(await accounts.GetAsync(id), time));

    private static async Task<Ok<UserView>> Update(string id, UserPatch patch, UserAccounts accounts, TimeProvider time, CancellationToken cancellationToken) =>
        TypedResults.Ok(UserView.Of(await accounts.UpdateAsync(id, patch, cancellationToken), time));

    private static async Task<NoContent> Delete(string id, UserAccounts accounts, CancellationToken cancellationToken)
    {
        await accounts.DeleteAsync(id, cancellationToken);
        return TypedResults.NoContent();
    }
}
