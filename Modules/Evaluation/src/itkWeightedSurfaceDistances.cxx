/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#include "itkWeightedSurfaceDistances.h"

#include "itkNNError.h"

#include "itkSignedMaurerDistanceMapImageFilter.h"

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>
#include <limits>

namespace itk
{
namespace
{
using Mask = Image<unsigned char, 3>;
using Point3 = Vector<double, 3>;
using Piece = WeightedSurfaceDistances::Piece;

/** Of a cube, x in the lowest bit of its number. */
Point3
GetCorner(unsigned int corner)
{
  Point3 point;
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    point[axis] = corner >> axis & 1;
  }
  return point;
}

/** The edge of two corners, the lower one first. */
struct Edge
{
  unsigned int low;
  unsigned int high;

  bool operator==(const Edge & other) const
  {
    return low == other.low && high == other.high;
  }
};

Edge
MakeEdge(unsigned int a, unsigned int b)
{
  return { std::min(a, b), std::max(a, b) };
}

using Polygon = std::vector<Edge>;

/** What marching cubes draw in a cube: closed polygons through the edges between inside and outside.
 * \param inside a bit for each corner. */
std::vector<Polygon>
FindPolygons(unsigned int inside)
{
  const auto isInside = [inside](unsigned int corner) { return (inside >> corner & 1) != 0; };
  std::vector<std::pair<Edge, Edge>> segments;
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    const unsigned int u = 1U << (axis + 1) % 3;
    const unsigned int v = 1U << (axis + 2) % 3;
    for (const unsigned int side : { 0U, 1U << axis })
    {
      // Around the face; edge i is from corner i to the next one.
      const std::array<unsigned int, 4> face{ side, side | u, side | u | v, side | v };
      std::vector<Edge> cut;
      for (unsigned int i = 0; i < 4; ++i)
      {
        if (isInside(face[i]) != isInside(face[(i + 1) % 4]))
        {
          cut.push_back(MakeEdge(face[i], face[(i + 1) % 4]));
        }
      }
      if (cut.size() == 2)
      {
        segments.emplace_back(cut[0], cut[1]);
      }
      for (unsigned int i = 0; i < 4 && cut.size() == 4; ++i)
      {
        if (isInside(face[i]))
        {
          segments.emplace_back(cut[(i + 3) % 4], cut[i]);
        }
      }
    }
  }
  std::vector<Polygon> polygons;
  while (!segments.empty())
  {
    Polygon polygon{ segments.back().first };
    Edge end = segments.back().second;
    segments.pop_back();
    while (!(end == polygon.front()))
    {
      polygon.push_back(end);
      const auto next = std::find_if(segments.begin(),
                                     segments.end(),
                                     [&](const std::pair<Edge, Edge> & segment)
                                     { return segment.first == end || segment.second == end; });
      end = next->first == end ? next->second : next->first;
      segments.erase(next);
    }
    polygons.push_back(polygon);
  }
  return polygons;
}

/** Where the fan of a polygon with five corners begins: these are around three corners of the cube in
 * an L, and the fan's first is beside an end of it. */
std::size_t
FindFanStart(const Polygon & polygon, unsigned int inside)
{
  std::vector<unsigned int> ofL;
  for (const Edge & edge : polygon)
  {
    const unsigned int corner = (inside >> edge.low & 1) != 0 ? edge.low : edge.high;
    if (std::find(ofL.begin(), ofL.end(), corner) == ofL.end())
    {
      ofL.push_back(corner);
    }
  }
  const auto isNeighbour = [](unsigned int a, unsigned int b) { return (a ^ b) == 1 || (a ^ b) == 2 || (a ^ b) == 4; };
  for (std::size_t i = 0; i < polygon.size(); ++i)
  {
    const bool isLow = (inside >> polygon[i].low & 1) != 0;
    const unsigned int end = isLow ? polygon[i].low : polygon[i].high;
    const unsigned int beyond = isLow ? polygon[i].high : polygon[i].low;
    const auto middle =
      std::find_if(ofL.begin(), ofL.end(), [&](unsigned int corner) { return isNeighbour(corner, end); });
    const auto other = std::find_if(
      ofL.begin(), ofL.end(), [&](unsigned int corner) { return corner != end && !isNeighbour(corner, end); });
    if (middle == ofL.end() || other == ofL.end())
    {
      continue;
    }
    const Point3 toEnd = GetCorner(end) - GetCorner(*middle);
    const Point3 toOther = GetCorner(*other) - GetCorner(*middle);
    const Point3 out = GetCorner(beyond) - GetCorner(end);
    if (CrossProduct(toEnd, toOther) * out > 0)
    {
      return i;
    }
  }
  return 0;
}

/** The corners of the triangles of a polygon. */
std::vector<std::array<std::size_t, 3>>
Triangulate(const Polygon & polygon, unsigned int inside)
{
  if (polygon.size() == 6)
  {
    return { { { 0, 2, 4 } }, { { 0, 1, 2 } }, { { 2, 3, 4 } }, { { 4, 5, 0 } } };
  }
  const std::size_t start = polygon.size() == 5 ? FindFanStart(polygon, inside) : 0;
  std::vector<std::array<std::size_t, 3>> triangles;
  for (std::size_t i = 1; i + 1 < polygon.size(); ++i)
  {
    triangles.push_back({ { start, (start + i) % polygon.size(), (start + i + 1) % polygon.size() } });
  }
  return triangles;
}

/** The area in a cube of each number. */
std::array<double, 256>
MakeAreas(const Point3 & spacing)
{
  std::array<double, 256> areas{};
  for (unsigned int cube = 1; cube < 255; ++cube)
  {
    // What has more corners than the other side is drawn as that.
    const unsigned int inside = std::bitset<8>(cube).count() > 4 ? 255 - cube : cube;
    for (const Polygon & polygon : FindPolygons(inside))
    {
      const auto place = [&](std::size_t i)
      {
        Point3 point = (GetCorner(polygon[i].low) + GetCorner(polygon[i].high)) / 2;
        for (unsigned int axis = 0; axis < 3; ++axis)
        {
          point[axis] *= spacing[axis];
        }
        return point;
      };
      for (const auto & triangle : Triangulate(polygon, inside))
      {
        const Point3 origin = place(triangle[0]);
        areas[cube] += CrossProduct(place(triangle[1]) - origin, place(triangle[2]) - origin).GetNorm() / 2;
      }
    }
  }
  return areas;
}

/** The number of each cube: one more along an axis than there are voxels. */
Mask::Pointer
FindCubes(const Mask & mask)
{
  const auto size = mask.GetLargestPossibleRegion().GetSize();
  const auto cubes = Mask::New();
  cubes->SetRegions(Mask::SizeType{ { size[0] + 1, size[1] + 1, size[2] + 1 } });
  cubes->Allocate(true);
  const unsigned char * voxel = mask.GetBufferPointer();
  for (SizeValueType z = 0; z < size[2]; ++z)
  {
    for (SizeValueType y = 0; y < size[1]; ++y)
    {
      for (SizeValueType x = 0; x < size[0]; ++x)
      {
        if (*voxel++ == 0)
        {
          continue;
        }
        // The voxel is the last corner of the cube of its own index, and the first of the last.
        for (unsigned int corner = 0; corner < 8; ++corner)
        {
          const SizeValueType i = x + 1 - (corner & 1);
          const SizeValueType j = y + 1 - (corner >> 1 & 1);
          const SizeValueType k = z + 1 - (corner >> 2 & 1);
          cubes->GetBufferPointer()[(k * (size[1] + 1) + j) * (size[0] + 1) + i] |=
            static_cast<unsigned char>(1U << corner);
        }
      }
    }
  }
  return cubes;
}

bool
IsSurface(unsigned char cube)
{
  return cube != 0 && cube != 255;
}

std::vector<Piece>
Measure(const Mask & cubes, const Mask & others, const Point3 & spacing)
{
  const SizeValueType count = cubes.GetLargestPossibleRegion().GetNumberOfPixels();
  const auto areas = MakeAreas(spacing);
  const unsigned char * const own = cubes.GetBufferPointer();
  const bool isEmpty = std::none_of(others.GetBufferPointer(), others.GetBufferPointer() + count, IsSurface);
  // The filter measures to the pixels of its object that have a neighbour outside: the nearest of
  // a surface is one of them for all pixels that are not on it.
  std::vector<double> distances(count, std::numeric_limits<double>::infinity());
  if (!isEmpty)
  {
    const auto surface = Mask::New();
    surface->SetRegions(cubes.GetLargestPossibleRegion());
    surface->SetSpacing(spacing);
    surface->Allocate();
    std::transform(others.GetBufferPointer(),
                   others.GetBufferPointer() + count,
                   surface->GetBufferPointer(),
                   [](unsigned char cube) { return IsSurface(cube) ? 1 : 0; });
    const auto map = SignedMaurerDistanceMapImageFilter<Mask, Image<double, 3>>::New();
    map->SetInput(surface);
    map->SetBackgroundValue(0);
    map->UseImageSpacingOn();
    map->SquaredDistanceOff();
    map->Update();
    for (SizeValueType i = 0; i < count; ++i)
    {
      // Inside of the surface, where it is thick, the distance is 0.
      distances[i] = std::max(map->GetOutput()->GetBufferPointer()[i], 0.0);
    }
  }
  std::vector<Piece> pieces;
  for (SizeValueType i = 0; i < count; ++i)
  {
    if (IsSurface(own[i]))
    {
      pieces.push_back({ distances[i], areas[own[i]] });
    }
  }
  std::stable_sort(
    pieces.begin(), pieces.end(), [](const Piece & a, const Piece & b) { return a.distance < b.distance; });
  return pieces;
}

double
SumAreas(const std::vector<Piece> & pieces)
{
  double sum = 0;
  for (const Piece & piece : pieces)
  {
    sum += piece.area;
  }
  return sum;
}

double
GetMean(const std::vector<Piece> & pieces)
{
  double sum = 0;
  for (const Piece & piece : pieces)
  {
    sum += piece.distance * piece.area;
  }
  return sum / SumAreas(pieces);
}

double
GetQuantile(const std::vector<Piece> & pieces, double share)
{
  const double total = SumAreas(pieces);
  double sum = 0;
  for (const Piece & piece : pieces)
  {
    sum += piece.area;
    if (sum / total >= share)
    {
      return piece.distance;
    }
  }
  return pieces.back().distance;
}
} // namespace

double
WeightedSurfaceDistances::GetAverage() const
{
  return fromPrediction.empty() || fromReference.empty() ? std::numeric_limits<double>::quiet_NaN()
                                                         : (GetMean(fromPrediction) + GetMean(fromReference)) / 2;
}

double
WeightedSurfaceDistances::GetHausdorff(double share) const
{
  itkNNRequireMacro(share >= 0 && share <= 1, "The share of the surface is " << share << "; should be within [0, 1]");
  return fromPrediction.empty() || fromReference.empty()
         ? std::numeric_limits<double>::quiet_NaN()
         : std::max(GetQuantile(fromPrediction, share), GetQuantile(fromReference, share));
}

WeightedSurfaceDistances
ComputeWeightedSurfaceDistances(const Mask & prediction, const Mask & reference)
{
  const auto size = prediction.GetLargestPossibleRegion().GetSize();
  itkNNRequireMacro(size == reference.GetLargestPossibleRegion().GetSize(),
                    "The prediction has the size " << size << " and the reference "
                                                   << reference.GetLargestPossibleRegion().GetSize()
                                                   << "; both should have the same");
  const auto a = FindCubes(prediction);
  const auto b = FindCubes(reference);
  const Point3 spacing = prediction.GetSpacing();
  return { Measure(*a, *b, spacing), Measure(*b, *a, spacing) };
}
} // namespace itk
