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
#ifndef itkImageGeometryDifference_h
#define itkImageGeometryDifference_h

#include "itkImageBase.h"

#include <cmath>
#include <locale>
#include <sstream>
#include <string>

namespace itk
{
/** What differs between the geometries of two images: "size [3, 4] and [3, 5]",
 * or their spacing, origin or direction; empty when they are the same.
 * \param tolerance of spacing and origin as a part of the spacing, of the
 * direction's entries as it is.
 * \ingroup UniverSegEvaluation */
template <unsigned int VDimension>
std::string
FindGeometryDifference(const ImageBase<VDimension> & a, const ImageBase<VDimension> & b, double tolerance = 1e-4)
{
  std::ostringstream difference;
  difference.imbue(std::locale::classic());
  if (a.GetLargestPossibleRegion().GetSize() != b.GetLargestPossibleRegion().GetSize())
  {
    difference << "size " << a.GetLargestPossibleRegion().GetSize() << " and "
               << b.GetLargestPossibleRegion().GetSize();
    return difference.str();
  }
  bool sameSpacing = true;
  bool sameOrigin = true;
  bool sameDirection = true;
  for (unsigned int i = 0; i < VDimension; ++i)
  {
    const double allowed = tolerance * a.GetSpacing()[i];
    sameSpacing = sameSpacing && std::abs(a.GetSpacing()[i] - b.GetSpacing()[i]) <= allowed;
    sameOrigin = sameOrigin && std::abs(a.GetOrigin()[i] - b.GetOrigin()[i]) <= allowed;
    for (unsigned int j = 0; j < VDimension; ++j)
    {
      sameDirection = sameDirection && std::abs(a.GetDirection()[i][j] - b.GetDirection()[i][j]) <= tolerance;
    }
  }
  if (!sameSpacing)
  {
    difference << "spacing " << a.GetSpacing() << " and " << b.GetSpacing();
  }
  else if (!sameDirection)
  {
    difference << "direction " << a.GetDirection() << " and " << b.GetDirection();
  }
  else if (!sameOrigin)
  {
    difference << "origin " << a.GetOrigin() << " and " << b.GetOrigin();
  }
  return difference.str();
}
} // namespace itk

#endif
